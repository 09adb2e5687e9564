"""Who may say what, and did they? The ground that ceremony, client_verify and repo_service stand on."""
