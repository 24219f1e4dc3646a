"""The demo: orders, an outside world that loses answers, workers that are killed, and an audit."""
