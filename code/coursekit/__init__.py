"""What publishes the course: it executes chapters, builds the site and makes the notebooks."""
