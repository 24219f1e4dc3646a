"""What a saga is: pure values and one state machine; no I/O, no clock, no luck."""
