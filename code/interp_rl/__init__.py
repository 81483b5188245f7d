"""What readers of Circuits & Rewards import."""
