local skynet = require "skynet"

local received = 0
local commands = {}

function commands.plain(value)
	skynet.retpack(value)
end

function commands.note()
	received = received + 1
end

function commands.send_to(target, batch, seconds)
	local till, count = skynet.hpc() / 1e9 + seconds, 0
	while skynet.hpc() / 1e9 < till do
		for _ = 1, batch do
			skynet.send(target, "lua", "note", 1)
		end
		skynet.call(target, "lua", "plain", 1)
		count = count + batch
	end
	skynet.retpack(count)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, ...)
		commands[command](...)
	end)
end)
