"""How the processes that answer HTTP (model server, collector) read requests and end connections."""
