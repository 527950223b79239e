from bert_keras.cli.progress import FinetuningProgress, PretrainingProgress


def test_the_bar_shows_loss_rate_and_the_share_of_waiting_for_batches():
    with PretrainingProgress() as progress:
        progress.set_params({"initial_step": 0, "steps": 10, "evaluates": True})
        progress.on_train_begin()
        logs = {"mlm_loss": 6.543, "tokens_per_second": 12345.6, "input_share": 0.256}
        progress.on_train_batch_end(4, logs)
        (task,) = progress.bar.tasks
    assert (task.completed, task.total) == (5, 10)
    assert task.description == "mlm loss 6.54"
    assert task.fields["rate"] == "12,346 tokens/s, 26% waiting"


def test_a_mean_that_an_evaluation_lacks_leaves_its_place_empty():
    with PretrainingProgress() as progress:
        logs = {"step": 3, "max_seq_length": 16, "nsp_accuracy": 0.5, "nsp_baseline_accuracy": 0.5}
        row = progress.row(logs | {"mlm_baseline_accuracy": 0.06})
    assert row.split() == ["3", "16", "0.060", "0.500", "0.500"]
    with FinetuningProgress() as progress:
        header = progress.header({"step": 1, "tagging_loss": 0.5, "f1": 0.25})
        row = progress.row({"step": 2, "f1": 0.5})
    assert row.index("0.5000") + len("0.5000") == len(header.splitlines()[1])


def test_the_bar_of_a_call_without_a_loss_says_so_by_none():
    with PretrainingProgress() as progress:
        progress.set_params({"initial_step": 0, "steps": 10, "evaluates": True})
        progress.on_train_begin()
        progress.on_train_batch_end(4, {"tokens_per_second": 1.0})
        assert progress.bar.tasks[0].description == "training"
