"""What tests of several packages use: models, batches, files, commands; each said once."""
