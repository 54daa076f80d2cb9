#!/usr/bin/env python
"""The command line of an AVChat IM installation (`manage.py help` lists the commands)."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avchat.settings")
    execute_from_command_line(sys.argv)
