"""What people install: wheel and sdist, manual pages and completions, licences."""
