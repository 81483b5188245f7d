"""Fine-tuning language models with a reward: PPO by hand, its parts, and what they are worth."""
