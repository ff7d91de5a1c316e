"""The commands: one module for each, or for a few that belong together. `app` names them by their place."""
