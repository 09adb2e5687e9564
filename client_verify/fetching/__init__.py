"""Getting bytes that nobody believes yet: over HTTP, in bounded time, from whichever mirror has them."""
