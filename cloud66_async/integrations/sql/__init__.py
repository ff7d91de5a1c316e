"""What several processes share through a SQL database: a SQLite file or PostgreSQL. Requires the extra `sql`."""
