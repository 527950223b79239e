from bert_keras.cli.progress import PretrainingProgress


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
