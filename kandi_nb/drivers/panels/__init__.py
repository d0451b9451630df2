"""The panel: controls for any task, made from the table of settings and the task's inputs."""
