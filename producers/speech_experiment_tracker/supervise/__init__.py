"""`speech-tracker run -- COMMAND`: a command that is restarted until it is through, as one run."""
