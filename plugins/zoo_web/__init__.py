"""A page in the browser that colours photographs, and the same for programs."""
