"""Each loss: its operations and nodes, their true gradients in float64, and the noise."""
