#!/usr/bin/env python3
"""curl in the guest as the client of a server on this machine."""

import hashlib
import http.server
import threading

from tests import guest

CURL = '/usr/bin/curl'
BODY = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(40000))  # 1.28 MB


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == '/large':
            self.answer(BODY)
        elif self.path == '/moved':
            self.send_response(302)
            self.send_header('Location', '/small')
            self.send_header('Content-Length', '0')
            self.end_headers()
        elif self.path == '/small':
            self.answer(b'small\n')
        elif self.path == '/chunked':
            self.send_response(200)
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            for word in (b'one ', b'two ', b'three\n'):
                self.wfile.write(b'%x\r\n%s\r\n' % (len(word), word))
            self.wfile.write(b'0\r\n\r\n')
        else:
            self.answer(b'nothing here\n', 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.answer(b'%d bytes %s\n' % (len(body), hashlib.sha256(body).hexdigest().encode()))

    def log_message(self, *_):
        pass


class Curl(guest.TestCase):
    def setUp(self):
        super().setUp()
        server = http.server.ThreadingHTTPServer((guest.LOOPBACK, 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f'http://{guest.HOST}:{server.server_address[1]}'

    def test_downloads_byte_for_byte(self):
        run = self.run_guest(CURL, '-sS', self.url + '/large')
        self.assertEqual(len(run.raw_stdout), len(BODY))
        self.assertTrue(run.raw_stdout == BODY, 'the bytes differ')
        self.assert_no_messages(run)
        self.assert_status(run, 0)

    def test_follows_redirections_and_reuses_its_connection(self):
        url = self.url
        run = self.run_guest(CURL, '-sSL', '-w', '%{http_code} %{num_connects}\n', url + '/moved', url + '/chunked')
        self.assert_output(run, 'small\n200 1\none two three\n200 0\n')

    def test_uploads(self):
        run = self.run_guest(CURL, '-sS', '--data-binary', '@-', self.url + '/', stdin=BODY)
        self.assert_output(run, f'{len(BODY)} bytes {hashlib.sha256(BODY).hexdigest()}\n')

    def test_fails_as_curl_does(self):
        run = self.run_guest(CURL, '-fsS', self.url + '/none')
        self.assertEqual(run.stdout, '')
        self.assertIn('404', run.stderr)
        self.assert_status(run, 22)

    def test_reports_a_refused_connection(self):
        run = self.run_guest(CURL, '-sS', f'http://127.0.0.1:{guest.free_port()}/')
        self.assertIn('Failed to connect', run.stderr)
        self.assert_status(run, 7)


if __name__ == '__main__':
    guest.main()
