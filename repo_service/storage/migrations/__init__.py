"""The journal's tables from the first schema on, one step a file of ``versions/`` (docs/adr/0015-migrations.md).

``python -m repo_service.storage.migrations MESSAGE`` drafts the next step: what ``tables.py`` has and the newest step
has not. It is read, completed by hand (guards, moved data) and formatted before it is committed, and never changed
after.
"""
