"""Root, targets, held and bins metadata made offline by several people: files in, files out, no network."""
