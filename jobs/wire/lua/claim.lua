--!messages
-- Takes a queued attempt for one worker: the claim is the STARTED report (LINE 1).
-- KEYS: run, events, result.
-- ARGV: attempt, owner, worker, event, result JSON or '', nobody announced it ('1'), result expiry [s], token of this
--   claim, user, kind; of what Celery code sent the tag of its message, and of the message that was retried with it.
-- Answers {verdict, attempt}: 'ok'; or why the message is dropped: 'missing', 'stale', 'taken', 'final', 'cancelled';
-- 'busy': the id was sent again while its job is unfinished, and is to come back later.
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase', 'token', 'messages', 'awaits')
local attempt, phase, wanted = tonumber(have[1] or 0), have[2], tonumber(ARGV[1])
local message, after = ARGV[11] or '', ARGV[12] or ''
-- The same call again, because its answer was lost on the way.
if have[3] == ARGV[8] then return {phase == 'running' and 'ok' or 'final', attempt} end

-- Of a message that a publisher of ours has marked, or that Task.retry sent on from such a one.
local function marked()
  if not have[1] then return ARGV[6] == '1' and 'ok' or 'missing' end
  if attempt > wanted then return 'stale' end
  if attempt == wanted then
    if phase == 'queued' then return 'ok' end
    return phase == 'final' and 'final' or 'taken'
  end
  -- A higher attempt that no publisher of ours announced: Celery's own Task.retry sent it.
  if ARGV[6] ~= '1' then return 'missing' end
  return phase == 'final' and 'final' or 'ok'
end

-- Of a message that Celery code sent: a verdict, the attempt that it is, and whether a sending begins with it.
local function sent()
  if not have[1] then return 'ok', wanted, true end
  if attempt_of(have[4], message) then return phase == 'final' and 'final' or 'taken' end
  if after ~= '' or wanted > 1 then
    -- Sent by Task.retry: the next attempt of a job that has not ended.
    if phase == 'final' then return 'final' end
    if attempt_of(have[4], after) == attempt then return 'ok', attempt + 1 end
    if attempt_of(have[4], after) or attempt >= wanted then return 'stale' end
    return 'ok', wanted
  end
  -- The id is sent again. Two of it at once would tell of each other's work under one id.
  if phase ~= 'final' then return 'busy' end
  if have[5] then return 'cancelled' end
  return 'ok', attempt + 1, true
end

local verdict, number, begins
if message == '' then verdict, number = marked(), wanted else verdict, number, begins = sent() end
if verdict == 'cancelled' then
  redis.call('HDEL', KEYS[1], 'awaits')
  redis.call('HSET', KEYS[1], 'messages', remembered(have[4], message, attempt))
end
if verdict ~= 'ok' then return {verdict, number or wanted} end
redis.call('HSET', KEYS[1], 'attempt', number, 'phase', 'running', 'state', 'STARTED', 'owner', ARGV[2],
  'worker', ARGV[3], 'token', ARGV[8], 'user', ARGV[9], 'kind', ARGV[10])
redis.call('HDEL', KEYS[1], 'progress', 'cancel', 'awaits')
redis.call('PERSIST', KEYS[1])
if message ~= '' then redis.call('HSET', KEYS[1], 'messages', remembered(have[4], message, number)) end
if begins then
  redis.call('HSET', KEYS[1], 'sending', number)
  redis.call('HDEL', KEYS[1], 'assumed', 'pause', 'queued')
end
local id = redis.call('XADD', KEYS[2], '*', 'e', numbered(ARGV[4], number))
redis.call('HSET', KEYS[1], 'event', id, 'begun', id)
if ARGV[5] ~= '' then
  redis.call('SETEX', KEYS[3], ARGV[7], ARGV[5])
  redis.call('PUBLISH', KEYS[3], ARGV[5])
end
return {'ok', number}
