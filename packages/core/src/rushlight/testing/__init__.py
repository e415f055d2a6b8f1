"""For the authors of backends: what their devices must do, as tests.  Rushlight never imports it."""
