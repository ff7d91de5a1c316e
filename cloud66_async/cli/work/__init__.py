"""What takes time: changes, rollouts, downloads and plans, with their progress and their ends."""
