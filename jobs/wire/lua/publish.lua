-- Marks attempts as queued and pushes their messages; of each both, or neither (LINE 1).
-- KEYS: events, then of each message its run and queue list
-- ARGV: force, then of each message its attempt, text, event, user and kind
-- Answers of each 'queued'; or why not: 'already' (this attempt waits in a queue), 'claimed', 'stale', 'final'.
local force = ARGV[1] == '1'

local function refusal(run, wanted)
  local have = redis.call('HMGET', run, 'attempt', 'phase', 'state')
  local attempt = tonumber(have[1] or 0)
  if have[3] == 'SUCCESS' then return 'final' end
  if attempt > wanted then return 'stale' end
  if attempt < wanted or not have[2] then return nil end
  if have[2] == 'queued' then
    -- Only dispatch, which has found the message nowhere, forces it; a doubled message is dropped by the claim.
    return not force and 'already' or nil
  end
  return have[2] == 'final' and 'final' or 'claimed'
end

local function publish(run, queue, attempt, text, event, user, kind)
  local refused = refusal(run, tonumber(attempt))
  if refused then return refused end
  redis.call('HDEL', run, 'owner', 'progress', 'worker', 'cancel', 'assumed', 'begun')
  redis.call('HSET', run, 'attempt', attempt, 'phase', 'queued', 'state', 'PENDING', 'user', user, 'kind', kind)
  redis.call('PERSIST', run)
  redis.call('LPUSH', queue, text)
  local id = redis.call('XADD', KEYS[1], '*', 'e', event)
  redis.call('HSET', run, 'event', id, 'queued', id)
  return 'queued'
end

local verdicts = {}
for n = 1, (#KEYS - 1) / 2 do
  verdicts[n] = publish(KEYS[2 * n], KEYS[2 * n + 1], unpack(ARGV, 5 * n - 3, 5 * n + 1))
end
return verdicts
