"""Grades a folder of notebooks: each exercise of each submission in a process of its own.

- `assignment`: what is graded, read from the chapters;
- `slicing`: which cells of a notebook an answer needs;
- `sandbox`: the walls and limits around a student's code;
- `worker`: what happens inside of them;
- `pool`: several workers at a time, each forked from a process that has imported everything;
- `report`: the table of points and a report for each student.
"""
