"""Run a notebook or a script in a child process, and grade its gradients there."""
