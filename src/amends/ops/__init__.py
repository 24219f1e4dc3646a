"""What operators see: the command line, the stories it tells, and the demo."""
