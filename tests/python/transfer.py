"""transfer.py PORT: a server that tells what it was sent, and sends what it is asked for.

A client sends a line "take SIZE" and so many bytes, and gets their checksum; or "give SIZE", and gets so many bytes.
"""

import hashlib
import socket
import sys


def content(size):
    """The same for everybody who asks for as much."""
    block = hashlib.shake_128(b'narwhal').digest(65521)
    return (block * (size // len(block) + 1))[:size]


def serve(client):
    stream = client.makefile('rwb')
    for line in stream:
        verb, size = line.split()
        if verb == b'take':
            stream.write(hashlib.sha256(stream.read(int(size))).hexdigest().encode() + b'\n')
        else:
            stream.write(content(int(size)))
        stream.flush()


def main():
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(('0.0.0.0', int(sys.argv[1])))
    listener = socket.create_server(('0.0.0.0', int(sys.argv[1])))
    print('ready', flush=True)
    data, sender = datagrams.recvfrom(65536)
    datagrams.sendto(data, sender)
    while True:
        client, _ = listener.accept()
        with client:
            serve(client)


if __name__ == '__main__':
    main()
