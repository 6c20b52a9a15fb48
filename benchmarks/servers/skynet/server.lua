-- The servers as skynet services: one service owns all connections, a coroutine serves each.
local skynet = require "skynet"
local socket = require "skynet.socket"

local MESSAGE_BYTES = 65536
local BLOCK = string.rep("x", 1 << 20)

local members = {}
local modes = {}

function modes.echo(fd)
	local line = socket.readline(fd)
	while line do
		socket.write(fd, line .. "\n")
		line = socket.readline(fd)
	end
end

function modes.message(fd)
	local message = socket.read(fd, MESSAGE_BYTES)
	while message do
		socket.write(fd, message)
		message = socket.read(fd, MESSAGE_BYTES)
	end
end

function modes.sink(fd)
	while socket.read(fd) do
	end
end

function modes.source(fd)
	while socket.readline(fd) do
		socket.write(fd, BLOCK)
	end
end

function modes.broadcast(fd)
	members[fd] = true
	local line = socket.readline(fd)
	while line do
		local message = line .. "\n"
		for member in pairs(members) do
			socket.write(member, message)
		end
		line = socket.readline(fd)
	end
	members[fd] = nil
end

skynet.start(function()
	local mode, host, port = string.match(skynet.getenv "arguments", "(%S+) (%S+) (%S+)")
	local serve = modes[mode]
	local listener = socket.listen(host, tonumber(port), 1024)
	socket.start(listener, function(fd)
		socket.start(fd)
		serve(fd)
		socket.close(fd)
	end)
end)
