"""Where the dashboard's mails wait to be sent.

A mail takes its time, and nobody waits for it: an answer that did would tell by how late it comes whether there is
an account to write to.
"""

from concurrent.futures import ThreadPoolExecutor

POST = ThreadPoolExecutor(max_workers=1, thread_name_prefix="post")
