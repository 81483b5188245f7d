"""The laboratories of the pages: their scripts made from `book/labs`, their data from the models.

`bundle` turns the modules of a laboratory into one script, `publish` writes it and its data where a
page can load them, also from a folder without a server. Every other module here is named after a
laboratory, or after data that several share, and has one function, ``data(root)``: what the script
loads on demand. These modules may use `interp_rl`; nothing else in `coursekit` does.
"""
