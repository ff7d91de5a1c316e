"""The OAuth provider of the sandbox: applications, users, tokens, and the pages of a login."""
