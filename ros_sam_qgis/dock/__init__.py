"""The dock: widgets that show and signal, and decide nothing."""
