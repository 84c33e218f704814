// A WebSocket client (RFC 6455) over node:http, for text messages and with headers of one's own: nothing to install.
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const LONGEST = 4 * 1024 * 1024
const CONTINUATION = 0
const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10

/**
 * Open a WebSocket.
 * @param {string} url `http://…` or `https://…`
 * @param {Record<string, string>} headers
 * @returns {Promise<Socket>} Rejects with an Error that has `status` when the server answers with something else.
 */
export function openSocket(url, headers) {
  const key = randomBytes(16).toString('base64')
  const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, {
    headers: {
      ...headers,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
    },
    timeout: 30_000,
  })
  return new Promise((resolve, reject) => {
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')))
    request.on('error', reject)
    request.on('response', (answer) => {
      answer.resume()
      reject(Object.assign(new Error(`HTTP ${answer.statusCode}`), { status: answer.statusCode }))
    })
    request.on('upgrade', (answer, stream, head) => {
      const accepted = createHash('sha1').update(key + MAGIC).digest('base64')
      if (answer.headers['sec-websocket-accept'] !== accepted) {
        stream.destroy()
        reject(new Error('this is no WebSocket'))
        return
      }
      resolve(new Socket(stream, head))
    })
    request.end()
  })
}

/** Emits `message` (a text) and, once, `close` (a code of RFC 6455 §7.4.1; 1006 without one). */
export class Socket extends EventEmitter {
  #stream
  #buffer
  #parts = []
  #code = 1006
  #isClosed = false

  constructor(stream, head) {
    super()
    this.#stream = stream
    this.#buffer = head
    stream.setTimeout(0)
    stream.setNoDelay(true)
    stream.on('data', (chunk) => this.#take(chunk))
    stream.on('error', () => stream.destroy())
    stream.on('close', () => this.#end())
    if (head.length > 0) setImmediate(() => this.#take(Buffer.alloc(0)))
  }

  /** @param {string} text */
  send(text) {
    this.#write(TEXT, Buffer.from(text))
  }

  close(code = 1000) {
    const payload = Buffer.alloc(2)
    payload.writeUInt16BE(code)
    this.#write(CLOSE, payload)
    this.#stream.end()
  }

  #write(opcode, payload) {
    if (this.#isClosed || this.#stream.destroyed) return
    const size = payload.length
    const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10)
    head[0] = 0x80 | opcode
    head[1] = 0x80 | (size < 126 ? size : size < 65_536 ? 126 : 127)
    if (head.length === 4) head.writeUInt16BE(size, 2)
    if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
    const mask = randomBytes(4)
    const masked = Buffer.from(payload)
    for (let index = 0; index < size; index += 1) masked[index] ^= mask[index % 4]
    this.#stream.write(Buffer.concat([head, mask, masked]))
  }

  #take(chunk) {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (let frame = this.#next(); frame; frame = this.#next()) this.#obey(frame)
  }

  /** Cut one whole frame off what has arrived; null when it is not all there yet. */
  #next() {
    const buffer = this.#buffer
    if (buffer.length < 2) return null
    let size = buffer[1] & 0x7f
    let start = 2
    if (size === 126) {
      if (buffer.length < 4) return null
      size = buffer.readUInt16BE(2)
      start = 4
    } else if (size === 127) {
      if (buffer.length < 10) return null
      size = Number(buffer.readBigUInt64BE(2))
      start = 10
    }
    if (size > LONGEST) {
      this.#stream.destroy()
      return null
    }
    if (buffer.length < start + size) return null
    this.#buffer = buffer.subarray(start + size)
    return { isLast: (buffer[0] & 0x80) !== 0, opcode: buffer[0] & 0x0f, payload: buffer.subarray(start, start + size) }
  }

  #obey({ isLast, opcode, payload }) {
    if (opcode === PING) {
      this.#write(PONG, payload)
    } else if (opcode === CLOSE) {
      if (payload.length >= 2) this.#code = payload.readUInt16BE(0)
      this.#write(CLOSE, payload.subarray(0, 2))
      this.#stream.end()
    } else if (opcode === TEXT || opcode === CONTINUATION) {
      this.#parts.push(payload)
      if (!isLast) return
      const text = Buffer.concat(this.#parts).toString()
      this.#parts = []
      this.emit('message', text)
    }
  }

  #end() {
    if (this.#isClosed) return
    this.#isClosed = true
    this.emit('close', this.#code)
  }
}
