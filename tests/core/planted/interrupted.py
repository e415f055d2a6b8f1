"""A plug-in during whose import the user presses Ctrl-C."""

raise KeyboardInterrupt
