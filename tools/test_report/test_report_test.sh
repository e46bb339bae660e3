#!/usr/bin/env bash
exec python3 -B tools/test_report/test_report_test.py
