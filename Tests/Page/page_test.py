"""The page of `mio-lite serve`, used by a real browser as people use it. `scripts/test-page` runs this."""

import base64
import contextlib
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import unittest
import urllib.request
import wave

import axe_playwright_python
from playwright.sync_api import expect, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = pathlib.Path(os.environ['MIO_PAGE_WORK'])
MIO_LITE = os.environ['MIO_LITE']
SHOTS = os.environ.get('MIO_PAGE_SHOTS')
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / 'axe.min.js').read_text()
KEY = 'a-key-of-the-tests'
# A name that leads here, but neither localhost nor https: browsers give its pages no microphone.
PLAIN_HOST = 'mio.test'
# How long a key is held to talk: the words and a second of silence around them, for a browser that begins to record late.
SPOKEN_SECONDS = 3.2

expect.set_options(timeout=20_000)


class Served:
    """A running server."""

    def __init__(self, model, *options):
        command = [MIO_LITE, 'serve', '--port', '0', '-m', str(model), '--alias', pathlib.Path(model).stem, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r'listening at \S*?:(\d+)', line)
            if found:
                self.port = int(found[1])
                break
        else:
            raise RuntimeError(f'{command} does not listen')
        # So that the log never fills the pipe.
        self.log = subprocess.Popen(['cat'], stdin=self.process.stderr, stdout=subprocess.DEVNULL)
        self.origin = f'http://localhost:{self.port}'

    def post(self, path, body, kind='application/json'):
        request = urllib.request.Request(self.origin + path, body, {'content-type': kind})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def running(self):
        with urllib.request.urlopen(self.origin + '/health') as answer:
            return json.load(answer)['running']

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=40)
        self.log.wait()
        self.process.stderr.close()


def with_silence(sound, before=0.0, after=8.0):
    """A WAV file with silence around it."""
    with wave.open(io.BytesIO(sound)) as read:
        rate, samples = read.getframerate(), read.readframes(read.getnframes())
    written = io.BytesIO()
    with wave.open(written, 'wb') as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(2 * int(rate * before)) + samples + bytes(2 * int(rate * after)))
    return written.getvalue()


def setUpModule():
    global demo, whole, locked, parrot, driver, browser, spoken
    checkpoint = WORK / 'checkpoint'
    checkpoint.mkdir()
    for kind in ('speech', 'image'):
        for file in (ROOT / 'Tests/Goldens' / kind / 'tiny-mio').iterdir():
            link = checkpoint / file.name
            if not link.exists():
                link.symlink_to(file)
    subprocess.run([MIO_LITE, 'convert', checkpoint, '-o', WORK / 'whole.mio', '--quantize', 'f32', '-q'], check=True)
    # The same, of which the file says that it was only taught to speak and to listen.
    config = checkpoint / 'generation_config.json'
    config.unlink(missing_ok=True)
    taught = ['text-to-speech', 'speech-recognition']
    config.write_text(json.dumps({'mio_lite': {'description': 'parrot: a test', 'taught': taught}}))
    subprocess.run([MIO_LITE, 'convert', checkpoint, '-o', WORK / 'parrot.mio', '-q'], check=True)
    (WORK / 'keys').write_text(KEY + '\n')
    shipped = ROOT / 'Sources/MioLiteDemo/Resources/demo.mio'
    demo = Served(shipped, '--allow-host', PLAIN_HOST)
    whole = Served(WORK / 'whole.mio')
    parrot = Served(WORK / 'parrot.mio')
    locked = Served(shipped, '--api-key-file', str(WORK / 'keys'))
    spoken = demo.post('/v1/audio/speech', b'{"input": "hello world", "response_format": "wav", "seed": 1}')
    (WORK / 'microphone.wav').write_bytes(with_silence(spoken, before=1.0))
    driver = sync_playwright().start()
    browser = driver.chromium.launch(
        executable_path=os.environ['MIO_BROWSER'],
        args=['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
              f'--use-file-for-fake-audio-capture={WORK}/microphone.wav%noloop',
              f'--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1'])


def tearDownModule():
    browser.close()
    driver.stop()
    for served in (demo, whole, locked, parrot):
        served.stop()


class PageTest(unittest.TestCase):
    """A browser with nothing kept, and what every test promises: no request elsewhere, no error in the console."""

    served = property(lambda self: demo)
    # What the console may say in a test that makes things fail.
    expected_errors = ()

    def setUp(self):
        self.context = browser.new_context(viewport={'width': 1280, 'height': 820}, accept_downloads=True)
        self.ports = f'{demo.port}|{whole.port}|{locked.port}|{parrot.port}'
        self.requests, self.errors = [], []
        self.page = self.open()

    def tearDown(self):
        for url in self.requests:
            self.assertRegex(url, rf'^(blob:|data:|http://(localhost|{PLAIN_HOST}):({self.ports})/)')
        unexpected = [text for text in self.errors if not any(known in text for known in self.expected_errors)]
        self.assertEqual(unexpected, [])
        self.context.close()

    def open(self, hash=None, origin=None, script=None, served=None):
        """Opens a page; that of a test that speaks begins to speak, whatever else the shipped model can do."""
        if hash is None:
            hash = '' if served or self.served is whole else '#speak'
        page = self.context.new_page()
        page.on('request', lambda request: self.requests.append(request.url))
        page.on('console', lambda message: self.errors.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: self.errors.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto((origin or (served or self.served).origin) + '/' + hash)
        page.wait_for_selector('body[data-ready]')
        return page

    def mode(self, name):
        self.page.click(f'#modes [data-name={name}]')

    def say(self, text, page=None):
        """Writes something, sends it by keyboard, and waits for the answer."""
        page = page or self.page
        page.fill('#text', text)
        page.press('#text', 'Control+Enter')
        self.finished(page)

    def finished(self, page=None):
        expect((page or self.page).locator('#log[aria-busy=false] .turn.assistant .foot').last).to_be_visible()
        expect((page or self.page).locator('#send.stop')).to_have_count(0)

    @property
    def answer(self):
        return self.page.locator('.turn.assistant').last

    def until(self, condition):
        """Waits for a condition in JavaScript; Playwright's own way needs a page whose policy lets text be run."""
        for _ in range(200):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        self.fail(f'{condition} does not come true')

    def download(self, act):
        with self.page.expect_download() as found:
            act()
        return found.value.suggested_filename, pathlib.Path(found.value.path()).read_bytes()

    def hold(self, seconds, selector='#mic'):
        box = self.page.locator(selector).bounding_box()
        self.page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
        self.page.mouse.down()
        self.page.wait_for_timeout(1000 * seconds)
        self.page.mouse.up()

    def give(self, event, name, kind, content):
        """Drops or pastes a file."""
        self.page.evaluate('''([event, name, kind, content]) => {
          const data = new DataTransfer()
          data.items.add(new File([Uint8Array.from(atob(content), letter => letter.charCodeAt(0))], name, { type: kind }))
          const settings = { bubbles: true, cancelable: true }
          dispatchEvent(event === 'drop' ? new DragEvent('drop', { ...settings, dataTransfer: data })
            : new ClipboardEvent('paste', { ...settings, clipboardData: data }))
        }''', [event, name, kind, base64.b64encode(content).decode()])

    def shot(self, name):
        if SHOTS:
            self.page.screenshot(path=f'{SHOTS}/{name}.png')


class Opening(PageTest):
    def test_opens_in_the_best_mode_the_model_has(self):
        for served, mode in ((whole, 'Chat'), (parrot, 'Speak')):
            expect(self.open(served=served).locator('#modes [aria-current]')).to_have_text(mode)

    def test_what_the_model_cannot_do_says_why(self):
        self.page = self.open(served=parrot)
        for name in ('chat', 'draw', 'story'):
            button = self.page.locator(f'#modes [data-name={name}]')
            expect(button).to_have_attribute('aria-disabled', 'true')
            # Playwright itself clicks nothing that is disabled.
            button.click(force=True)
            expect(self.page.locator('#toast')).to_contain_text('was not taught to')
            expect(self.page.locator('#modes [aria-current]')).to_have_text('Speak')
        expect(self.page.locator('#welcome')).to_contain_text('Not with this model: Chat, Draw, Story.')

    def test_address_chooses_the_mode(self):
        page = self.open('#listen')
        expect(page.locator('#modes [aria-current]')).to_have_text('Listen')

    def test_policy_lets_nothing_else_run(self):
        with urllib.request.urlopen(demo.origin) as answer:
            first, text = answer.headers['content-security-policy'], answer.read().decode()
        with urllib.request.urlopen(demo.origin) as answer:
            second = answer.headers['content-security-policy']
        mark = re.search(r"script-src 'nonce-(\w{20,})' blob:;", first)[1]
        self.assertNotEqual(first, second)
        self.assertEqual(text.count(f'nonce="{mark}"'), 2)
        self.assertNotIn('unsafe', first)
        self.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=window.ran=1>')")
        self.page.wait_for_timeout(200)
        self.assertIsNone(self.page.evaluate('window.ran ?? null'))

    expected_errors = ['inline event handler']


class Speaking(PageTest):
    def test_plays_while_it_comes(self):
        self.page.fill('#text', 'Hello world. The cat sat on the mat. One two three four five six seven. Hello again.')
        # What is heard is asked before the last sound has come.
        self.page.evaluate('''() => {
          window.heard = []
          new MutationObserver(() => {
            const isBusy = document.querySelector('#log').getAttribute('aria-busy') === 'true'
            const plays = !!document.querySelector('.sound [aria-label^=Pause]')
            if (isBusy && plays) window.heard.push(document.querySelector('.sound .time').textContent)
          }).observe(document.querySelector('#log'), { childList: true, subtree: true, attributes: true, characterData: true })
        }''')
        self.page.click('#send')
        self.finished()
        self.assertTrue(self.page.evaluate('heard.length'))
        expect(self.answer.locator('.stats')).to_contain_text(re.compile(r'first sound after .* × real time'))
        expect(self.page.locator('#status')).to_contain_text('Said,')
        self.shot('speak')

    def test_sound_can_be_saved_and_is_what_was_said(self):
        self.say('Hello world.')
        name, sound = self.download(lambda: self.answer.get_by_label('Save the sound').click())
        self.assertEqual(name, 'Hello-world.wav')
        boundary = b'--of-the-test\r\n'
        body = boundary + b'content-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + sound + b'\r\n' \
            + boundary[:-2] + b'--\r\n'
        text = json.loads(demo.post('/v1/audio/transcriptions', body, 'multipart/form-data; boundary=of-the-test'))['text']
        self.assertEqual(text, 'hello world')

    def test_seed_gives_the_same_sound(self):
        self.page.click('#settings-button')
        self.page.fill('#set-seed', '7')
        self.page.fill('#set-temperature', '0.9')
        self.page.keyboard.press('Escape')
        self.say('Hello world.')
        _, first = self.download(lambda: self.answer.get_by_label('Save the sound').click())
        self.answer.get_by_label('Make it again').click()
        self.finished()
        expect(self.answer.locator('.pager')).to_have_text('2 / 2')
        _, second = self.download(lambda: self.answer.get_by_label('Save the sound').click())
        self.assertEqual(first, second)

    def test_pause_and_position(self):
        self.say('Hello world. The cat sat on the mat.')
        self.answer.get_by_label('Pause speech').click()
        slider = self.answer.get_by_label('Position in speech')
        slider.focus()
        before = slider.input_value()
        self.page.keyboard.press('PageUp')
        self.assertGreater(float(slider.input_value()), float(before))
        self.answer.get_by_label('Play speech').click()
        expect(self.answer.get_by_label('Pause speech')).to_be_visible()
        self.page.keyboard.press('Escape')
        expect(self.answer.get_by_label('Play speech')).to_be_visible()

    def test_answer_is_announced_once(self):
        self.page.evaluate('''() => {
          window.told = []
          window.busy = []
          new MutationObserver(() => { const text = document.querySelector('#status').textContent; if (text) told.push(text) })
            .observe(document.querySelector('#status'), { childList: true, characterData: true, subtree: true })
          new MutationObserver(() => busy.push(document.querySelector('#log').getAttribute('aria-busy')))
            .observe(document.querySelector('#log'), { attributes: true })
        }''')
        self.say('Hello world.')
        self.page.wait_for_timeout(300)
        self.assertEqual(len(self.page.evaluate('told')), 1)
        self.assertEqual(self.page.evaluate('busy'), ['true', 'false'])
        expect(self.page.locator('#log')).to_have_attribute('role', 'log')


class Listening(PageTest):
    def setUp(self):
        super().setUp()
        self.mode('listen')

    def test_held_to_talk(self):
        self.hold(SPOKEN_SECONDS)
        self.finished()
        expect(self.answer.locator('.segments')).to_contain_text('hello world')
        _, subtitles = self.download(lambda: self.answer.get_by_label('Save subtitles (SRT)').click())
        self.assertRegex(subtitles.decode(), r'^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nhello world\n')
        # A piece of the transcript plays the recording.
        self.answer.locator('.segments button').first.click()
        expect(self.page.get_by_label(re.compile('^Pause recording'))).to_be_visible()
        expect(self.answer.locator('.segments .now')).to_have_count(1)
        self.shot('listen')

    def test_held_by_keyboard(self):
        self.page.focus('#mic')
        self.page.keyboard.down('Space')
        self.page.wait_for_timeout(1000 * SPOKEN_SECONDS)
        self.page.keyboard.up('Space')
        self.finished()
        expect(self.answer).to_contain_text('hello world')

    def test_tapped_to_talk(self):
        self.page.click('#mic')
        self.page.wait_for_timeout(1000 * SPOKEN_SECONDS)
        expect(self.page.locator('#mic')).to_have_attribute('aria-label', 'Recording; stop')
        self.page.click('#mic')
        self.finished()
        expect(self.answer).to_contain_text('hello world')

    def test_recording_can_be_thrown_away(self):
        self.page.click('#mic')
        expect(self.page.locator('#recording')).to_be_visible()
        self.page.keyboard.press('Escape')
        expect(self.page.locator('#recording')).to_be_hidden()
        expect(self.page.locator('.turn')).to_have_count(0)

    def test_dropped_file(self):
        self.mode('speak')
        # Sound is for the mode that listens.
        self.give('drop', 'a.wav', 'audio/wav', spoken)
        self.finished()
        expect(self.answer).to_contain_text('hello world')
        expect(self.page.locator('#modes [aria-current]')).to_have_text('Listen')

    def test_several_files_one_after_the_other(self):
        with self.page.expect_file_chooser() as chooser:
            self.page.click('#attach')
        file = {'mimeType': 'audio/wav', 'buffer': spoken}
        chooser.value.set_files([{**file, 'name': 'a.wav'}, {**file, 'name': 'b.wav'}, {**file, 'name': 'c.wav'}])
        expect(self.page.locator('.segments')).to_have_text(['hello world ', 'hello world ', 'hello world '])
        expect(self.page.locator('#history li')).to_have_text(['hello world'])

    def test_pasted_file(self):
        self.give('paste', 'a.wav', 'audio/wav', spoken)
        self.finished()
        expect(self.answer).to_contain_text('hello world')

    def test_dictates_into_the_line(self):
        self.mode('speak')
        self.hold(SPOKEN_SECONDS)
        expect(self.page.locator('#text')).to_have_value('hello world')

    def test_damaged_file_says_so(self):
        self.give('drop', 'a.wav', 'audio/wav', b'RIFF nothing')
        expect(self.answer.get_by_role('alert')).to_contain_text('a.wav')

    expected_errors = ['400 (Bad Request)']


class Devices(PageTest):
    def refused(self, name):
        return ("navigator.mediaDevices.getUserMedia = () => "
                f"Promise.reject(new DOMException('as the test wants it', '{name}'))")

    def test_microphone_says_why_it_cannot_be_had(self):
        for name, words in (('NotAllowedError', 'Allow it'), ('NotFoundError', 'There is no microphone'),
                            ('NotReadableError', 'Another program')):
            with self.subTest(name):
                page = self.open('#listen', script=self.refused(name))
                page.click('#mic')
                expect(page.locator('[role=alert]')).to_contain_text(words)
                expect(page.locator('#mic')).to_have_attribute('aria-label', 'Hold to talk')

    def test_page_without_a_secure_context(self):
        page = self.open('#listen', origin=f'http://{PLAIN_HOST}:{demo.port}')
        self.assertFalse(page.evaluate('isSecureContext'))
        page.click('#mic')
        expect(page.locator('[role=alert]')).to_contain_text('works on localhost or over https only')

    def test_camera_says_why_it_cannot_be_had(self):
        page = self.open('#chat', served=whole, script=self.refused('NotAllowedError'))
        page.click('#camera-button')
        expect(page.locator('[role=alert]')).to_contain_text('may not use the camera')

    def test_camera_takes_a_picture(self):
        self.page = self.open('#chat', served=whole)
        self.page.click('#camera-button')
        self.until("document.querySelector('#camera video').videoWidth > 0")
        self.page.click('#camera-take')
        expect(self.page.locator('#attached li')).to_contain_text('camera.jpg')
        self.say('What is it?')
        expect(self.page.locator('.turn.user img')).to_be_visible()
        self.assertNotEqual(self.answer.locator('.words').inner_text(), '')


PICTURE = base64.b64decode(
    'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC')


class Chatting(PageTest):
    served = property(lambda self: whole)

    def test_answers_in_words(self):
        with self.page.expect_request('**/v1/chat/completions') as sent:
            self.say('hello')
        body = sent.value.post_data_json
        self.assertTrue(body['stream'])
        self.assertEqual(body['modalities'], ['text'])
        self.assertNotEqual(self.answer.locator('.words').inner_text(), '')
        expect(self.answer.locator('.stats')).to_contain_text('tokens')

    def test_again_and_branches(self):
        self.say('hello')
        self.answer.get_by_label('Make it again').click()
        self.finished()
        expect(self.answer.locator('.pager')).to_have_text('2 / 2')
        self.answer.get_by_label('Previous version').click()
        expect(self.answer.locator('.pager')).to_have_text('1 / 2')
        self.say('and then')
        # The question is asked anew: what stands behind it is kept beside.
        self.page.locator('.turn.user').first.get_by_label('Change').click()
        expect(self.page.locator('#text')).to_have_value('hello')
        self.say('good morning')
        expect(self.page.locator('.turn')).to_have_count(2)
        self.page.locator('.turn.user').get_by_label('Previous version').click()
        expect(self.page.locator('.turn')).to_have_count(4)
        self.page.locator('.turn.assistant').first.get_by_label('Copy into a new one, up to here').click()
        expect(self.page.locator('.turn')).to_have_count(2)
        expect(self.page.locator('#history li')).to_have_count(2)

    def test_shows_it_pictures_and_sound(self):
        self.give('paste', 'red.png', 'image/png', PICTURE)
        self.give('drop', 'hello.wav', 'audio/wav', spoken)
        expect(self.page.locator('#attached li')).to_have_count(2)
        with self.page.expect_request('**/v1/chat/completions') as sent:
            self.say('What is that?')
        parts = sent.value.post_data_json['messages'][0]['content']
        self.assertEqual([part['type'] for part in parts], ['image_url', 'input_audio', 'text'])
        self.assertEqual(base64.b64decode(parts[0]['image_url']['url'].split(',')[1]), PICTURE)
        expect(self.answer.locator('.words')).to_be_visible()

    def test_recording_is_sent_at_once(self):
        with self.page.expect_request('**/v1/chat/completions') as sent:
            self.hold(SPOKEN_SECONDS)
            self.finished()
        self.assertEqual(sent.value.post_data_json['messages'][0]['content'][0]['type'], 'input_audio')

    def test_reads_aloud(self):
        self.page.click('#aloud')
        self.page.click('#settings-button')
        self.page.fill('#set-maxTokens', '12')
        self.page.keyboard.press('Escape')
        self.say('hello')
        expect(self.answer.locator('.sound')).to_be_visible()

    def test_model_speaks_itself(self):
        self.page.click('#settings-button')
        self.page.select_option('#set-aloud', 'spoken')
        self.page.fill('#set-maxTokens', '40')
        self.page.keyboard.press('Escape')
        with self.page.expect_request('**/v1/chat/completions') as sent:
            self.say('hello')
        self.assertEqual(sent.value.post_data_json['modalities'], ['text', 'audio'])
        expect(self.answer.locator('.sound')).to_be_visible()

    def test_words_of_a_model_are_never_html(self):
        self.page.route('**/v1/chat/completions', lambda route: route.fulfill(
            content_type='text/event-stream', body=events(
                {'content': '<img src=x onerror=alert(1)> **bold**\n\n- one\n- two\n\n```html\n<b>code</b>\n```'})))
        self.say('hello')
        expect(self.answer.locator('.words img')).to_have_count(0)
        expect(self.answer.locator('strong')).to_have_text('bold')
        expect(self.answer.locator('li')).to_have_text(['one', 'two'])
        expect(self.answer.locator('pre code')).to_have_text('<b>code</b>')

    def test_answer_that_breaks_off(self):
        self.page.route('**/v1/chat/completions', lambda route: route.fulfill(
            content_type='text/event-stream', body=events({'content': 'It was '}, end=False)
            + 'data: {"error":{"message":"the machine is on fire","type":"server_error"}}\n\n'))
        self.say('hello')
        expect(self.answer.locator('.words')).to_have_text('It was')
        expect(self.answer.locator('.failed')).to_have_text('the machine is on fire')
        expect(self.answer.locator('.failed')).to_have_attribute('role', 'alert')


def uri(picture):
    return 'data:image/png;base64,' + base64.b64encode(picture).decode()


def events(*deltas, end=True):
    """An answer as the server streams it."""
    chunks = [{'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]} for delta in deltas]
    return ''.join(f'data: {json.dumps(chunk)}\n\n' for chunk in chunks) + ('data: [DONE]\n\n' if end else '')


class Drawing(PageTest):
    served = property(lambda self: whole)

    def setUp(self):
        super().setUp()
        self.mode('draw')

    def steps(self, count):
        self.page.click('#settings-button')
        self.page.fill('#set-steps', str(count))
        self.page.keyboard.press('Escape')

    def test_progress_previews_and_picture(self):
        self.steps(20)
        self.page.evaluate('''() => {
          window.seen = { values: [], previews: 0 }
          new MutationObserver(changes => {
            const bar = document.querySelector('progress')
            if (bar) seen.values.push(bar.value)
            seen.previews += changes.filter(change =>
              change.attributeName === 'src' && change.target.alt === 'The picture so far').length
          }).observe(document.querySelector('#log'), { childList: true, subtree: true, attributes: true, characterData: true })
        }''')
        self.say('A lighthouse')
        values = self.page.evaluate('seen.values')
        self.assertEqual(values, sorted(values))
        self.assertGreater(len(set(values)), 5)
        self.assertEqual(self.page.evaluate('seen.previews'), 2)
        picture = self.answer.get_by_role('img', name='A lighthouse')
        expect(picture).to_be_visible()
        self.until("document.querySelector('.turn.assistant img').naturalWidth === 128")
        name, saved = self.download(lambda: self.answer.get_by_text('Save').click())
        self.assertEqual((name, saved[:4]), ('A-lighthouse.png', b'\x89PNG'))
        self.shot('draw')

    def test_cancel_stops_the_server(self):
        self.steps(999)
        self.page.fill('#text', 'A lighthouse')
        self.page.press('#text', 'Control+Enter')
        expect(self.page.locator('progress')).to_be_visible()
        self.assertEqual(whole.running(), 1)
        self.page.keyboard.press('Escape')
        expect(self.answer).to_contain_text('Stopped.')
        for _ in range(50):
            if whole.running() == 0:
                break
            self.page.wait_for_timeout(100)
        self.assertEqual(whole.running(), 0)

    def test_picture_is_changed(self):
        self.steps(4)
        self.say('A lighthouse')
        self.answer.get_by_text('Change').click()
        expect(self.page.locator('#attached li')).to_have_count(1)
        with self.page.expect_request('**/v1/images/edits'):
            self.say('make it red')
        expect(self.answer.locator('img')).to_be_visible()

    def test_several_at_a_time(self):
        self.steps(2)
        self.page.click('#settings-button')
        self.page.fill('#set-count', '3')
        self.page.keyboard.press('Escape')
        self.say('A lighthouse')
        expect(self.answer.locator('img')).to_have_count(3)


class Stories(PageTest):
    served = property(lambda self: whole)

    def test_words_and_pictures_on_one_page(self):
        self.mode('story')
        picture = {'type': 'image_url', 'image_url': {'url': uri(PICTURE)}}
        sent = []

        def answer(route):
            sent.append(route.request.post_data_json)
            route.fulfill(content_type='text/event-stream', body=events(
                {'content': 'There was a cat. It wanted to '}, {'content': 'see the sea.'}, {'images': [picture]},
                {'content': 'It walked all day.'}, {'images': [picture]}, {'content': 'The sea was large.'}))
        self.page.route('**/v1/chat/completions', answer)
        self.say('a cat who wants to see the sea')
        self.assertEqual(sent[0]['modalities'], ['text', 'image'])
        self.assertEqual(sent[0]['messages'][0]['content'][0]['text'],
                         'Generate a visual story about a cat who wants to see the sea')
        order = self.answer.evaluate("turn => [...turn.querySelector('.body').children].map(child => child.tagName)")
        self.assertEqual(order, ['DIV', 'FIGURE', 'DIV', 'FIGURE', 'DIV'])
        expect(self.answer.locator('img').first).to_have_attribute('alt', 'It wanted to see the sea.')
        self.shot('story')
        self.page.click('#more')
        name, saved = self.download(lambda: self.page.click('#export-page'))
        self.assertEqual(name, 'a-cat-who-wants-to-see-the-sea.html')
        self.assertEqual(saved.count(b'<img src="data:image/png;base64,'), 2)
        self.say('go on')
        self.assertEqual([message['role'] for message in sent[1]['messages']], ['user', 'assistant', 'user'])
        self.assertEqual([part['type'] for part in sent[1]['messages'][1]['content']],
                         ['text', 'image_url', 'text', 'image_url', 'text'])

    def test_server_understands_it(self):
        self.mode('story')
        self.say('a cat')
        expect(self.answer.locator('.words')).to_be_visible()


class History(PageTest):
    def test_stays_in_the_browser(self):
        self.say('Hello world.')
        self.page.reload()
        self.page.wait_for_selector('body[data-ready]')
        self.page.locator('#history li .row').click()
        expect(self.page.locator('.turn')).to_have_count(2)
        expect(self.answer.locator('.sound')).to_be_visible()
        self.answer.get_by_label('Play speech').click()
        expect(self.answer.get_by_label('Pause speech')).to_be_visible()

    def test_search_delete_and_undo(self):
        self.say('Hello world.')
        self.page.click('#new')
        self.say('The cat sat on the mat.')
        self.page.keyboard.press('Escape')
        self.page.keyboard.press('Control+k')
        self.page.fill('#find', 'cat')
        expect(self.page.locator('#history li')).to_have_count(1)
        self.page.get_by_label('Delete The cat sat on the mat.').click()
        self.page.fill('#find', '')
        expect(self.page.locator('#history li')).to_have_count(1)
        self.page.get_by_text('Undo').click()
        expect(self.page.locator('#history li')).to_have_count(2)
        expect(self.answer.locator('.sound')).to_be_visible()

    def test_saved_file_is_read_elsewhere(self):
        self.say('Hello world.')
        self.page.click('#more')
        name, saved = self.download(lambda: self.page.click('#export-data'))
        self.assertEqual(name, 'Hello-world.json')
        (WORK / name).write_bytes(saved)
        with contextlib.closing(browser.new_context()) as elsewhere:
            page = elsewhere.new_page()
            page.goto(demo.origin)
            page.wait_for_selector('body[data-ready]')
            page.click('#settings-button')
            with page.expect_file_chooser() as chooser:
                page.click('text=Read a saved file')
            chooser.value.set_files(WORK / name)
            page.keyboard.press('Escape')
            page.locator('#history li .row').click()
            expect(page.locator('.turn.assistant .sound')).to_be_visible()

    def test_browser_that_keeps_nothing(self):
        page = self.open(script='Object.defineProperty(window, "indexedDB", { get() { throw new Error("no") } })')
        self.say('Hello world.', page)
        expect(page.locator('#history li')).to_have_count(1)


class Keys(PageTest):
    served = property(lambda self: locked)
    expected_errors = ['401 (Unauthorized)']

    def test_asks_for_a_key(self):
        expect(self.page.locator('[role=alert]')).to_contain_text('API key')
        self.page.get_by_text('Give the key').click()
        expect(self.page.locator('#set-key')).to_be_focused()
        self.page.keyboard.type(KEY)
        self.page.keyboard.press('Tab')
        self.page.keyboard.press('Escape')
        expect(self.page.locator('#model')).to_have_text('demo')
        self.say('Hello world.')
        expect(self.answer.locator('.sound')).to_be_visible()


class Keyboard(PageTest):
    def test_everything_is_reached(self):
        self.page.focus('#new')
        seen = set()
        for _ in range(40):
            seen.add(self.page.evaluate('document.activeElement.id || document.activeElement.dataset.name'))
            self.page.keyboard.press('Tab')
        self.assertLessEqual({'new', 'find', 'theme', 'settings-button', 'keys-button', 'speak', 'chat', 'scroll', 'text',
                              'mic', 'send'}, seen)

    def test_shortcuts(self):
        self.page.keyboard.press('Control+/')
        expect(self.page.locator('#keys')).to_be_visible()
        self.page.keyboard.press('Escape')
        expect(self.page.locator('#keys')).to_be_hidden()
        self.say('Hello world.')
        self.page.keyboard.press('ArrowUp')
        expect(self.page.locator('#text')).to_have_value('Hello world.')
        self.page.locator('#modes [data-name=speak]').focus()
        self.page.keyboard.press('ArrowRight')
        self.page.keyboard.press('Enter')
        expect(self.page.locator('#modes [aria-current]')).to_have_text('Listen')

    def test_colours(self):
        theme = self.page.locator('#theme')
        expect(self.page.locator('html')).to_have_attribute('data-theme', 'light')
        theme.click()
        theme.click()
        expect(self.page.locator('html')).to_have_attribute('data-theme', 'dark')
        self.page.reload()
        expect(self.page.locator('html')).to_have_attribute('data-theme', 'dark')


class Accessibility(PageTest):
    """axe-core, all its rules, in every state of the page."""

    def check(self, page, name):
        if SHOTS:
            page.screenshot(path=f'{SHOTS}/{name}.png')
        page.evaluate(AXE)
        found = page.evaluate('axe.run(document, { resultTypes: ["violations"] })')['violations']
        self.assertEqual([(name, rule['id'], [node['html'][:200] for node in rule['nodes']]) for rule in found], [])

    def states(self, page, name, narrow, dark):
        def side(act):
            if narrow:
                page.click('#menu-button')
                page.wait_for_timeout(300)
            act()
        self.check(page, f'{name}-empty')
        self.say('Hello world.', page)
        self.check(page, f'{name}-spoken')
        page.click('#modes [data-name=chat]', force=True)
        # In the dark only colours differ; what has the same ones is looked at once.
        if not dark:
            self.check(page, f'{name}-reason')
        page.click('#modes [data-name=listen]')
        if not dark:
            self.check(page, f'{name}-listen')
        self.page = page
        self.give('drop', 'a.wav', 'audio/wav', spoken)
        self.finished(page)
        self.check(page, f'{name}-heard')
        if narrow and not dark:
            page.click('#menu-button')
            page.wait_for_timeout(300)
            self.check(page, f'{name}-side')
            page.keyboard.press('Escape')
        if not dark:
            page.click('#more')
            self.check(page, f'{name}-menu')
            page.keyboard.press('Escape')
        side(lambda: page.click('#settings-button'))
        self.check(page, f'{name}-settings')

    def test_shipped_model(self):
        for narrow in (False, True):
            for theme in ('light', 'dark'):
                self.context.close()
                size = {'width': 390, 'height': 780} if narrow else {'width': 1280, 'height': 820}
                self.context = browser.new_context(viewport=size, color_scheme=theme)
                self.states(self.open(), f'axe-{"phone" if narrow else "desktop"}-{theme}', narrow, theme == 'dark')

    def test_chat_draw_and_story(self):
        picture = {'type': 'image_url', 'image_url': {'url': uri(PICTURE)}}
        for theme in ('light', 'dark'):
            self.context.close()
            self.context = browser.new_context(viewport={'width': 390, 'height': 780}, color_scheme=theme)
            self.page = page = self.open('#chat', served=whole)
            page.route('**/v1/chat/completions', lambda route: route.fulfill(
                content_type='text/event-stream', body=events(
                    {'content': '# Head\n\n> It *was* **bold**, `so`\n\n1. one\n2. two\n\n```\ncode\n```\n'},
                    {'images': [picture]})))
            self.say('hello')
            self.check(page, f'axe-chat-{theme}')
            page.click('#modes [data-name=story]')
            self.say('hello')
            self.check(page, f'axe-story-{theme}')
            page.unroute('**/v1/chat/completions')
            page.click('#modes [data-name=draw]')
            page.click('#menu-button')
            page.click('#settings-button')
            page.fill('#set-steps', '999')
            page.keyboard.press('Escape')
            page.fill('#text', 'hello')
            page.press('#text', 'Control+Enter')
            page.wait_for_selector('progress')
            self.check(page, f'axe-drawing-{theme}')
            page.keyboard.press('Escape')
            expect(self.answer).to_contain_text('Stopped.')
            page.click('#camera-button')
            self.until("document.querySelector('#camera video').videoWidth > 0")
            self.check(page, f'axe-camera-{theme}')


class Lost(PageTest):
    expected_errors = ['ERR_CONNECTION_REFUSED', 'Failed to load resource']

    def test_server_that_went(self):
        served = Served(ROOT / 'Sources/MioLiteDemo/Resources/demo.mio')
        self.ports = f'{demo.port}|{served.port}'
        page = self.open(served=served)
        served.stop()
        page.fill('#text', 'Hello world.')
        page.press('#text', 'Control+Enter')
        expect(page.locator('#alert')).to_contain_text('does not answer')
        expect(page.locator('.failed')).not_to_have_attribute('role', 'alert')


if __name__ == '__main__':
    unittest.main()
