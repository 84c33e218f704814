// The product's API, with the session's cookie.

export class Refused extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `HTTP ${status}`)
    this.status = status
    this.body = body ?? {}
  }

  get problems() {
    return this.body.problems ?? []
  }
}

let token = ''

export function signWith(csrf) {
  token = csrf
}

async function call(method, url, body, headers = {}) {
  const options = { method, credentials: 'same-origin', headers: { Accept: 'application/json', ...headers } }
  if (method !== 'GET') options.headers['X-CSRFToken'] = token
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json'
    options.body = JSON.stringify(body)
  }
  const answer = await fetch(url, options)
  const data = answer.headers.get('Content-Type')?.includes('json') ? await answer.json() : null
  if (!answer.ok) throw new Refused(answer.status, data)
  return { data, etag: answer.headers.get('ETag') }
}

export const get = async (url) => (await call('GET', url)).data
export const post = async (url, body, headers) => (await call('POST', url, body, headers)).data
export const getTagged = (url) => call('GET', url)
export const put = (url, body, etag) => call('PUT', url, body, { 'If-Match': etag })
