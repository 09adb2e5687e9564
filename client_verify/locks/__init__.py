"""Lock files and environments: are the hashes in them what the registry signed, and may they still be installed?"""
