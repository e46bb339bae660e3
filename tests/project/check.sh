#!/bin/sh
# The project's test.
calculator=$1
expect() {
  wanted=$1
  shift
  found=$("$calculator" "$@" | paste -sd' ')
  [ "$found" = "$wanted" ] || { echo "$*: '$found' instead of '$wanted'"; exit 1; }
}
expect 14 2 3 4 '*' +
expect 31 1000 r
expect '1 0' 91 p 97 p
expect '' 
"$calculator" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 && exit 1
echo passed
