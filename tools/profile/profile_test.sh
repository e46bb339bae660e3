#!/usr/bin/env bash
exec python3 -B tools/profile/profile_test.py
