"""What a person does or reads: requeue, redeliver, release, incident, overview."""
