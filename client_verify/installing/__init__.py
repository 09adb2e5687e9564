"""Installers that know nothing of us: a loopback index of verified answers, and the fence around it."""
