"""What happens on the map canvas."""
