"""greeter.py PORT: greets each client before it has said anything, and sends datagrams back."""

import socket
import sys
import threading


def send_back(datagrams):
    while True:
        data, sender = datagrams.recvfrom(65536)
        datagrams.sendto(data, sender)


def main():
    port = int(sys.argv[1])
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(('0.0.0.0', port))
    threading.Thread(target=send_back, args=(datagrams,), daemon=True).start()
    listener = socket.create_server(('0.0.0.0', port))
    print('ready', flush=True)
    number = 0
    while True:
        client, _ = listener.accept()
        with client:
            client.sendall(b'hello %d\n' % number)
        number += 1


if __name__ == '__main__':
    main()
