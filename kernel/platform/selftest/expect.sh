# Sourced by the self-tests' scripts, which end with `exit $failures`.

failures=0

# judge WHAT STATUS WANTED-STATUS OUTPUT TEXT: the status is the wanted one, and the text stands in the output.
judge() {
  local what=$1 status=$2 wanted_status=$3 output=$4 wanted=$5
  if [ "$status" -ne "$wanted_status" ] || ! grep -q -- "$wanted" <<<"$output"; then
    echo "$what: status $status instead of $wanted_status, or no \"$wanted\" in the output:"
    echo "$output"
    failures=1
  fi
}

# expect WHAT STATUS TEXT COMMAND...: the command ends with the status, and writes the text. $output is what it wrote.
expect() {
  local what=$1 wanted_status=$2 wanted=$3 status
  shift 3
  output=$("$@")
  status=$?
  judge "$what" $status "$wanted_status" "$output" "$wanted"
}
