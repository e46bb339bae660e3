#!/usr/bin/env bash
exec python3 -B tools/bench/bench_test.py
