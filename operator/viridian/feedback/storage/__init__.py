"""The database: tables, migrations, the writer, retention."""
