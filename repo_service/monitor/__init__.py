"""An outsider's replay: the public log through the same domain and build, compared with what is served."""
