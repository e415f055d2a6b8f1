"""What a backend's device must do, as tests for its author.  Rushlight never imports it."""
